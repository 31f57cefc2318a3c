"""What goes wrong on the way: cut, short and wrong bodies, a dead Hub, no network, a killed process, a mirror."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from fer_zoo import weights
from fer_zoo.errors import HubError
from fer_zoo.hub import pull
from fer_zoo.hub.pulling import forget

from .client import contents
from .loopback import Hub
from .weights_folder import environment_of, here, home, made, make_folder, publish, run

__all__ = ["here", "home", "made"]

# What a process prints that pulls, with the seconds that it took.
PULL = """
import logging, sys, time
from fer_zoo.errors import FerZooError
from fer_zoo.hub import pull
logging.basicConfig()
start = time.monotonic()
try:
    print(pull({name!r}))
except FerZooError as error:
    print(type(error).__mro__[1].__name__, error)
print(f"{{time.monotonic() - start:.1f}}", file=sys.stderr)
"""


def at(hub: Hub, name: str = "hf-hub:alice/m") -> Path:
    return pull(name, endpoint=hub.endpoint, token=False)


@pytest.mark.parametrize("file", ["config.json", "README.md", "check.safetensors", "model.safetensors"])
@pytest.mark.usefixtures("plain_lfs")
def test_a_flipped_byte_is_refused_and_not_kept(file: str, hub: Hub, made: Path, home: Path) -> None:
    """The client itself takes it: the size is right."""
    commit = publish(hub, made)
    hub.flip_byte(file.replace(".", r"\."), times=1)
    expected = r"the card says" if file == "model.safetensors" else "the Hub announced"
    with pytest.raises(HubError, match=f"{file} of alice/m at {commit} is not the right one: .*{expected}"):
        at(hub)
    assert not (home / "models--alice--m" / "snapshots" / commit / file).exists()
    assert not (home / "models--alice--m" / "refs").exists(), "a branch is noted only once all of it is right"
    assert contents(at(hub)) == contents(made), "the next pull fetches it again"


def test_a_flipped_byte_in_the_xet_store_is_refused(hub: Hub, made: Path, here: str, home: Path) -> None:
    from fer_zoo.hub import push

    push(made, "alice/m")
    hub.flip_byte_on_disk("alice/m", "model.safetensors")
    with pytest.raises(HubError):
        pull("hf-hub:alice/m")
    hub.flip_byte_on_disk("alice/m", "model.safetensors")
    folder = pull("hf-hub:alice/m")
    assert (folder / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()


@pytest.mark.usefixtures("plain_lfs")
def test_a_byte_that_flips_in_the_cache_is_found_by_the_next_pull(hub: Hub, made: Path, home: Path) -> None:
    commit = publish(hub, made)
    for file in ("model.safetensors", "recipe.yaml"):
        path = at(hub) / file
        content = bytearray(path.read_bytes())
        content[-9] ^= 1
        path.resolve().write_bytes(bytes(content))
        with pytest.raises(HubError, match=f"{file} .*is not the right one"):
            at(hub, f"hf-hub:alice/m@{commit}")
        assert contents(at(hub)) == contents(made)


@pytest.mark.usefixtures("plain_lfs", "impatient")
def test_a_cut_body_is_fetched_to_its_end(hub: Hub, made: Path, home: Path) -> None:
    publish(hub, made)
    fault = hub.fail(r"model\.safetensors", "GET", truncate=50_000, times=2)
    assert contents(at(hub)) == contents(made)
    assert fault.hits == 2


@pytest.mark.usefixtures("plain_lfs", "impatient")
def test_bodies_that_never_end_well_are_refused(hub: Hub, made: Path, home: Path) -> None:
    commit = publish(hub, made)
    snapshot = home / "models--alice--m" / "snapshots" / commit
    hub.fail(r"model\.safetensors", "GET", truncate=0)
    with pytest.raises(HubError, match="could not be used"):
        at(hub)
    hub.heal()
    hub.fail(r"model\.safetensors", "GET", short=50_000)
    with pytest.raises(HubError, match=r"has a different size than http(.|\n)*try again"):
        at(hub)
    hub.heal()
    hub.fail(r"model\.safetensors", "GET", listener="cdn", status=503)
    with pytest.raises(HubError, match=r"could not be used: .*503"):
        at(hub)
    assert not (snapshot / "model.safetensors").exists()
    hub.heal()
    assert contents(at(hub)) == contents(made)


def test_a_hub_that_names_no_commit_or_another_one(hub: Hub, made: Path, home: Path) -> None:
    commit = publish(hub, made)
    hub.fail("config", "HEAD", drop_headers=("X-Repo-Commit",))
    with pytest.raises(HubError, match="did not say which commit"):
        at(hub)
    hub.heal()
    hub.fail("README", "HEAD", add_headers={"X-Repo-Commit": "1" * 40})
    with pytest.raises(HubError, match=f"asked for alice/m at {commit} and answers with {'1' * 40}"):
        at(hub)


def test_a_hub_in_trouble_leaves_the_cache(hub: Hub, made: Path, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    publish(hub, made)
    folder = at(hub)
    hub.fail("config", "HEAD", status=503)
    assert at(hub) == folder
    assert "alice/m (main) is taken from the cache" in caplog.text
    hub.heal()
    with hub.down():
        assert at(hub) == folder
        start = time.monotonic()
        with pytest.raises(HubError, match=r"could not be used(.|\n)*check the network"):
            at(hub, "hf-hub:alice/m@v1")
        assert time.monotonic() - start < 5, "the client by itself takes 24 seconds"


def test_a_disk_that_is_full_says_so(hub: Hub, made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hub, made)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(home))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(HubError, match=r"The disk is full: .*(.|\n)*HF_HOME"):
        at(hub)


def test_a_file_is_forgotten_with_all_its_links(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("x")
    (tmp_path / "blob").symlink_to("store")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "name").symlink_to("../blob")
    forget(tmp_path / "sub" / "name")
    assert [path.name for path in tmp_path.rglob("*")] == ["sub"]
    forget(tmp_path / "sub" / "name")


@pytest.mark.slow
def test_offline_hit_and_miss(hub: Hub, made: Path, tmp_path: Path, home: Path) -> None:
    """In a fresh process: the setting is read when the client is imported."""
    commit = publish(hub, made)
    folder = at(hub)
    hub.requests.clear()
    code = "".join(PULL.format(name=f"hf-hub:{name}") for name in ("alice/m", f"alice/m@{commit}", "alice/other"))
    output = run(code, hub.endpoint, home.parent, HF_HUB_OFFLINE="1").stdout.splitlines()
    assert output[:2] == [str(folder)] * 2
    assert output[2] == "HubError HF_HUB_OFFLINE is set, and config.json of alice/other at main is not in the cache."
    assert "`fer-zoo download NAME`" in output[4]
    assert not hub.requests.lines()


@pytest.mark.slow
def test_through_a_mirror_and_past_a_dead_one(hub: Hub, made: Path, tmp_path: Path) -> None:
    """HF_ENDPOINT selects another Hub."""
    commit, dead_hub = publish(hub, made), "http://127.0.0.1:9"
    there = run(PULL.format(name="hf-hub:alice/m"), hub.endpoint + "/", tmp_path)
    folder = Path(there.stdout.splitlines()[0])
    assert folder == tmp_path / "hub" / "models--alice--m" / "snapshots" / commit
    assert contents(folder) == contents(made)
    dead = run(PULL.format(name="hf-hub:alice/m"), dead_hub, tmp_path)
    assert dead.stdout.splitlines() == [str(folder)], dead.stderr
    assert f"{dead_hub} is not used, or does not answer" in dead.stderr, "that the Hub was not asked is said"
    # The client by itself takes 24 seconds to say so.
    dead = run(PULL.format(name="hf-hub:alice/m"), dead_hub, tmp_path / "empty")
    assert dead.stdout.startswith(f"HubError {dead_hub} could not be used")
    assert float(dead.stderr.splitlines()[-1]) < 10


@pytest.mark.slow
def test_a_pull_that_was_killed_is_repeated(hub: Hub, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "weights", hidden=1200)
    size = (folder / "model.safetensors").stat().st_size
    assert size > 12 * 2**20, "the client writes in pieces of 10 MiB"
    commit = publish(hub, folder)
    hub.fail(r"model\.safetensors", "GET", stall_at=size - 1000, delay=60, times=1)
    environment = environment_of(hub.endpoint, tmp_path / "home", HF_HUB_DISABLE_XET="1")
    command = [sys.executable, "-c", PULL.format(name="hf-hub:alice/m")]
    blobs = tmp_path / "home" / "hub" / "models--alice--m" / "blobs"
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 90
        while not any(path.stat().st_size >= 10 * 2**20 for path in blobs.glob("*.incomplete")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    snapshot = tmp_path / "home" / "hub" / "models--alice--m" / "snapshots" / commit
    assert (snapshot / "config.json").exists()
    assert not (snapshot / "model.safetensors").exists()
    again = run(PULL.format(name="hf-hub:alice/m"), hub.endpoint, tmp_path / "home", HF_HUB_DISABLE_XET="1")
    assert again.stdout.splitlines() == [str(snapshot)], again.stderr
    assert contents(snapshot) == contents(folder)
    assert weights.load_weights(snapshot).card is not None


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("Data processing error: I/O error: No space left on device (os error 28)"),
        OSError("Io error: Disk quota exceeded (os error 122)"),
    ],
    ids=["plain", "Xet", "Xet, quota"],
)
def test_a_full_disk_is_a_fault_of_the_environment(
    error: Exception, hub: Hub, made: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, made)

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(HubError, match="The disk is full: ") as raised:
        at(hub)
    assert raised.value.errno in (28, 122)
    assert str(home) in raised.value.given


def test_a_read_only_cache_that_has_everything_is_enough(
    hub: Hub, made: Path, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit = publish(hub, made)
    at(hub, f"hf-hub:alice/m@{commit}")

    def refuse(*_: object) -> None:  # the superuser may write to any folder, so that its mode is not enough
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("fer_zoo.hub.client.write_text", refuse)
    assert contents(at(hub)) == contents(made)
    assert "could not be noted in the cache" in caplog.text


@pytest.mark.parametrize("path", ["", "/"])
def test_a_password_in_the_endpoint_is_shown_nowhere(
    path: str, hub: Hub, made: Path, home: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(hub, made)
    endpoint = hub.endpoint.replace("://", "://anna:s3cret-word@") + path
    caplog.set_level("DEBUG")
    hub.fail("config", "HEAD", status=500)
    with hub.down(), pytest.raises(HubError) as raised:
        pull("hf-hub:alice/m@v2", endpoint=endpoint, token=False)
    shown = "".join(traceback.format_exception(raised.value))
    assert "s3cret-word" not in shown + caplog.text + "".join(capsys.readouterr())
    assert hub.endpoint in str(raised.value)
