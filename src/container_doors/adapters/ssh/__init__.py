"""OpenSSH: client, server, signatures."""
