"""Recipes: the configuration of a training, as YAML.

`config` has the sections and what each value may be; `reading` finds a recipe by its name and
applies `key=value`.
"""
