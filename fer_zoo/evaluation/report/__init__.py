"""Reports: what an ablation found, as Markdown, as one HTML file, and as JSON with all numbers."""

from fer_zoo.evaluation.report.write import HTML, JSON, MARKDOWN, PICTURES, read_report, write_report

__all__ = ["HTML", "JSON", "MARKDOWN", "PICTURES", "read_report", "write_report"]
