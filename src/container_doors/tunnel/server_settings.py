"""The settings of the SSH server: who may log in, how, and for what.

Through a tunnel everyone on the internet can try to connect, so only keys can log in, and only
sessions can reach the machine's services. ``man 5 sshd_config`` explains each setting.
"""

import shlex
from pathlib import Path

from container_doors.core.errors import TunnelError

HOST_KEY = "host_key"
AUTHORIZED = "authorized_keys"
ENVIRONMENT = "environment.sh"
ENTRY = "entry.sh"
SETTINGS = "sshd_config"
LOG = "sshd.log"
PID = "sshd.pid"

_SETTINGS = """\
ListenAddress 127.0.0.1:{port}
HostKey "{host_key}"
PidFile none
AuthorizedKeysFile "{tokens}/{authorized}"
StrictModes yes
AllowUsers {user}
PermitRootLogin prohibit-password
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
PermitEmptyPasswords no
UsePAM no
LoginGraceTime 30
MaxAuthTries 4
PermitUserEnvironment no
AcceptEnv LANG LC_*
ForceCommand exec /bin/sh {entry}
Subsystem sftp {sftp_server}
AllowTcpForwarding local
PermitOpen localhost:* 127.0.0.1:* [::1]:*
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
GatewayPorts no
PrintMotd no
ClientAliveInterval 30
ClientAliveCountMax 6
LogLevel VERBOSE
"""
"""VS Code's server listens on the machine's loopback, and is reached by ``-L`` or ``-D``:
https://code.visualstudio.com/docs/remote/troubleshooting#_enabling-tcp-forwarding-on-the-remote-host
VERBOSE logs the fingerprint of each key that logs in. PAM is left out because its
``pam_loginuid`` ends every session in a container without the audit capability."""

NO_PENALTIES = "PerSourcePenalties no\n"
"""For OpenSSH 9.8 and later: all connections come from 127.0.0.1, so failed logins of others
would lock the owner out."""

_ENTRY = """\
is_alive() {{
  kill -0 {keeper} || return 1
  read -r state < /proc/{keeper}/stat
  case $state in *') Z '*) return 1 ;; esac
}}
(
  trap '' HUP
  while is_alive && kill -0 $$; do sleep 1; done
  is_alive || kill -s KILL -- "$PPID" "-$$"
) < /dev/null > /dev/null 2>&1 &
export DOORS_TUNNEL={directory}
if [ -r {environment} ]; then . {environment}; fi
if [ -n "${{SSH_ORIGINAL_COMMAND:-}}" ]; then
  command=$SSH_ORIGINAL_COMMAND
  unset SSH_ORIGINAL_COMMAND
  exec "$SHELL" -c "$command"
fi
exec "$SHELL" -l
"""
"""The subshell ends a session whose server has died: without it, the session ends only if its
client is still connected. ``$$`` is the session's shell; ``Z`` is a zombie process."""

_PROFILE = """\
if [ "${{DOORS_TUNNEL:-}}" = {directory} ] && [ -r {environment} ]; then . {environment}; fi
"""


def server_settings(
    directory: Path, *, host_key: Path, port: int, user: str, sftp_server: str
) -> str:
    """Return ``sshd_config``; ``directory`` has the files that this module names.

    Raises:
        TunnelError: If the settings cannot contain that folder.
    """
    if any(character in str(directory) for character in '"\\\n'):
        raise TunnelError(
            f"sshd's settings cannot contain the folder {str(directory)!r}",
            hint="set XDG_STATE_HOME to a folder without quotes, backslashes and line ends",
        )
    return _SETTINGS.format(
        port=port,
        directory=directory,
        tokens=str(directory).replace("%", "%%"),
        user=user,
        sftp_server=sftp_server,
        host_key=host_key,
        authorized=AUTHORIZED,
        entry=shlex.quote(str(directory / ENTRY)),
    )


def entry_script(directory: Path, *, environment: Path, keeper: int) -> str:
    """Return the script that runs first in every session: a shell, a command, a copy, an editor.

    Args:
        directory: The server's folder.
        environment: The file of variables that sessions read.
        keeper: The keeper's process id; sessions end with that process.
    """
    return _ENTRY.format(**_quote(directory, environment), keeper=keeper)


def profile_script(directory: Path, *, environment: Path) -> str:
    """Return the script for login shells to read after ``/etc/profile``, which resets PATH.

    It does not affect login shells that were not started through this server.
    """
    return _PROFILE.format(**_quote(directory, environment))


def _quote(directory: Path, environment: Path) -> dict[str, str]:
    return {
        "directory": shlex.quote(str(directory)),
        "environment": shlex.quote(str(environment)),
    }
