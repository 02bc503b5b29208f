"""Train one model in several processes, on one host or many, with JAX.

`local` starts the processes on this machine, `on_ray` on a Ray cluster. `processes` joins those
that a launcher has started, and lets them exchange what they have to say. `step` is the training
step whose gradients are summed once over all devices, `draws` the random numbers that do not depend
on how many there are. `cost` computes what further hosts bring.
"""
