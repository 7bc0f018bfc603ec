"""How the tests run the notebooks: cells tagged `varies` are run, but their outputs are not compared."""

from nbval import plugin

# What differs between machines, such as a measured speed; nbval knows the same under a name of its own.
plugin.metadata_tags["varies"] = plugin.metadata_tags["nbval-ignore-output"]
