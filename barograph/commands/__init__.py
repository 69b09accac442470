"""The commands, one file each; ``barograph.cli`` puts them together."""
