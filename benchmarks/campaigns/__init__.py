"""Campaigns: what must never happen, tried thousands of times. `python -m benchmarks.campaigns`.

`journal` records what was tried, so that a campaign goes on where it was cut. The parts: `kills`
(trainings killed at each change of their run directory), `inputs` (layers, searches, artefacts and
programs with hostile inputs), `files` (damaged and hostile files), `phone` (LiteRT, thousands of
calls), `server` (the load test), `service` (translations beside a training, for long). `hostile`
makes texts and damages files. `hook` makes a process kill itself.
"""
