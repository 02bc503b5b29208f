"""From a configuration to a trained model: `loop` is the way through it.

`start` says whether a directory holds the same run, and writes what stands before the first step.
`tasks` gives the pairs of dates and of corpora, `pipeline` and `batches` make batches of them.
`optimizer` compiles the model, `devices` says where it runs, `callbacks` what happens after each
epoch; `checkpoints` keeps the best model, and `state` what a killed training resumes from.
"""
