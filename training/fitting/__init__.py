"""Train a model from a configuration; start reading at `loop`.

`start` finds out whether a run is new, resumed or complete, and writes the files that precede
the first step. `tasks` supplies pairs, of text or from `training.shards`; `tokenizers` learns their
tokenizers, and `text` finds those that fit the model. `budget` has the size and shapes of batches,
`batches` plans them and `pipeline` makes them. `choices` fills in what is `auto`. `optimizer`
compiles the model, `devices` selects the devices, `together` has what several processes agree on
(`training.hosts`), `callbacks` run after each epoch, `checkpoints` saves the best model and the
latest one, `interrupts` sees to it that Ctrl-C is heard, and `state` is what an interrupted
training resumes from.
"""
