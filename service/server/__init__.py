"""The server beneath the app: listening sockets, connections, and how long each of them may take."""
