"""What all that speaks HTTP shares, at both ends of a connection.

For clients: which addresses are this machine itself, what goes around proxies, what of a URL may be shown. For ports:
how many connections they hold, when the other end counts as gone, and what is logged of connections that fail.
"""
