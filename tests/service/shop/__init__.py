"""A shop, as a service of Twisted's: what the guide "From Twisted" begins with."""
