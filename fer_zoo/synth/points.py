"""The 68 iBUG landmarks as vertices of MakeHuman's hm08 mesh (original numbering).

Chosen once: of all mirrored pairs of vertices visible from the front, the pair whose projections are closest, on
average over about 30 subjects x 7 expressions, frontal and posed, to the landmark that dlib predicts on renders.
"""

LANDMARK_VERTICES: tuple[int, ...] = (
    5755, 5424, 5246, 910, 735, 5298, 5295, 918, 5296, 7620, 11901, 11903, 7455, 7612, 11854, 12023, 12352,  # jaw
    5261, 5260, 229, 223, 208, 6983, 6997, 7002, 11868, 11869,  # brows
    136, 131, 164, 294, 320, 313, 317, 7076, 7082,  # nose
    18, 0, 1073, 6764, 47, 1067, 13360, 7765, 6784, 6802, 7759, 6831,  # eyes
    501, 5351, 460, 466, 7219, 11953, 7250, 7239, 7241, 492, 486, 484,  # outer lips
    438, 472, 520, 7228, 7198, 7243, 494, 488,  # inner lips
)  # fmt: skip
