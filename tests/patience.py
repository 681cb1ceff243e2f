"""How long tests wait: never for a machine to be quick, only against hanging."""

HANGS_S = 3600
"""What has not ended after so many seconds hangs; no machine is so slow."""
