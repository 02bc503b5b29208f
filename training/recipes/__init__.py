"""Recipes: the configuration of a training, as YAML.

`config` defines the sections and validates their values; `reading` finds a recipe by name and
applies `key=value` overrides.
"""
