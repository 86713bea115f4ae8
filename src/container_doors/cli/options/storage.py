"""The options of ``doors storage ...``."""

from container_doors.cli.options.shared import Commands, add_command, add_group
from container_doors.cli.workspace import typed_folder, typed_path


def add_to(commands: Commands) -> None:
    """Add the commands, in the order of the help."""
    storage = add_group(commands, "storage", "the storage of large files: choose it, test it")
    commands.choices["remote"] = commands.choices["storage"]  # its earlier name
    _add_set(storage)
    add_command(
        storage, "check", "storage:check", "write, read and delete a small file in the storage"
    )
    _add_login(storage)


def _add_set(storage: Commands) -> None:
    parser = add_command(
        storage, "set", "storage:choose", "choose a storage, so that dvc push and dvc pull work"
    )
    parser.add_argument(
        "url",
        type=_typed_address,
        nargs="?",
        metavar="URL",
        help="gdrive://FOLDER_ID, a folder, s3://..., or any DVC remote "
        "(default: the one in .dvc/config)",
    )
    parser.add_argument(
        "--credentials",
        type=typed_path,
        metavar="FILE",
        help="for Google Drive: a service account's JSON or a person's (default: from "
        "GDRIVE_CREDENTIALS_DATA, DVC_SERVICE_ACCOUNT_JSON or KAGGLE_SECRET_DVC_JSON)",
    )
    parser.add_argument(
        "--delegate", metavar="EMAIL", help="the person for whom the service account acts"
    )


def _typed_address(text: str) -> str:
    """Read a folder or an address; a folder in a path stays one, and is no single word."""
    found = typed_folder(text)
    return found if "/" in found or "/" not in text else f"./{found}"


def _add_login(storage: Commands) -> None:
    parser = add_command(
        storage,
        "login",
        "storage:login",
        "sign in to Google Drive with your own account, in a browser",
    )
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="gdrive://FOLDER_ID (default: the one in .dvc/config)"
    )
    parser.add_argument(
        "--client",
        type=typed_path,
        required=True,
        metavar="FILE",
        help="the JSON of your own OAuth client; docs/google-drive.md says how to get it",
    )
