"""udplb: UDP Services behind an AWS Network Load Balancer, healthy at admission."""

__version__ = "0.1.0"
