"""placeholder"""


def write(folder, summary, release):
    pass
