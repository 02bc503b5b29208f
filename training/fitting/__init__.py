"""Train a model from a configuration; start reading at `loop`.

`start` finds out whether a run is new, resumed or complete, and writes the files that precede
the first step. `tasks` supplies pairs of text, `text` their tokenizers; `batches` plans the batches
and `pipeline` makes them. `optimizer` compiles the model, `devices` selects the devices, `together`
has what several processes agree on (`training.hosts`), `callbacks` run after each epoch,
`checkpoints` saves the best model and the latest one, `interrupts` sees to it that Ctrl-C is heard,
and `state` is what an interrupted training resumes from.
"""
