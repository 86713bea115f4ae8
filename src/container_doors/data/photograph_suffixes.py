"""Which files of a source are pictures and videos, by their names."""

PICTURES = frozenset(
    {"avif", "bmp", "dib", "gif", "heic", "heif", "hif", "jfif", "jp2", "jpe", "jpeg", "jpg"}
    | {"mpo", "png", "pbm", "pgm", "ppm", "tif", "tiff", "webp"}
)
VIDEOS = frozenset({"avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm", "wmv"})


def is_picture(name: str) -> bool:
    """Return whether a name is a picture's.

    >>> is_picture("a/IMG_1.HEIC"), is_picture("a/labels.txt")
    (True, False)
    """
    return name.rpartition(".")[2].lower() in PICTURES


def is_video(name: str) -> bool:
    """Return whether a name is a video's."""
    return name.rpartition(".")[2].lower() in VIDEOS
