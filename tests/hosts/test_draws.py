from __future__ import annotations

import jax
import keras
import numpy as np
import pytest

from training.hosts.draws import by_row

ONES = np.ones((6, 3, 4), "float32")


def seed() -> keras.random.SeedGenerator:
    return keras.random.SeedGenerator(7)


def test_a_part_of_the_rows_draws_what_the_whole_draws() -> None:
    def drawn(begin: int, end: int) -> list[np.ndarray]:
        rows, generator = ONES[begin:end], seed()
        with by_row(begin, end - begin):
            dropped = keras.layers.Dropout(0.5, seed=3)(rows, training=True)
            several = [keras.random.dropout(rows, 0.5, seed=generator) for _ in range(2)]
            noise = keras.random.normal(rows.shape, mean=2.0, seed=generator)
            chances = keras.random.uniform(rows.shape, seed=generator)
        return [np.asarray(x) for x in (dropped, *several, noise, chances)]

    whole = drawn(0, 6)
    for place, parts in enumerate(zip(drawn(0, 2), drawn(2, 3), drawn(3, 6), strict=True)):
        np.testing.assert_array_equal(np.concatenate(parts), whole[place])
    for x in whole:
        assert len({row.tobytes() for row in x}) == 6
    assert not np.array_equal(whole[1], whole[2])


def test_the_shares_are_those_that_were_asked_for() -> None:
    with by_row(100, 5000):
        dropped = keras.random.dropout(np.ones((5000, 4)), 0.25, seed=seed())
        noise = np.asarray(keras.random.normal((5000, 4), stddev=3.0, seed=seed()))
    assert np.mean(np.asarray(dropped) == 0) == pytest.approx(0.25, abs=0.01)
    assert np.unique(np.asarray(dropped)).tolist() == pytest.approx([0.0, 4 / 3])
    assert noise.std() == pytest.approx(3.0, rel=0.02)


def test_a_noise_shape() -> None:
    with by_row(0, 6):
        steps = keras.random.dropout(ONES, 0.5, noise_shape=(None, 1, 4), seed=seed())
        shared = keras.random.dropout(ONES, 0.5, noise_shape=(1, 3, 4), seed=seed())
    steps, shared = np.asarray(steps), np.asarray(shared)
    assert (steps == steps[:, :1]).all()
    assert len({row.tobytes() for row in steps}) > 1
    np.testing.assert_array_equal(shared, np.repeat(shared[:1], 6, axis=0))
    np.testing.assert_array_equal(
        shared, keras.random.dropout(ONES, 0.5, noise_shape=(1, 3, 4), seed=seed())
    )


def test_afterwards_keras_draws_as_ever() -> None:
    before = np.asarray(keras.random.dropout(ONES, 0.5, seed=seed()))
    with by_row(0, 6):
        inside = np.asarray(keras.random.dropout(ONES, 0.5, seed=seed()))
    after = np.asarray(keras.random.dropout(ONES, 0.5, seed=seed()))
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(before, inside)


def test_it_compiles() -> None:
    @jax.jit
    def drawn(first: int) -> jax.Array:
        with by_row(first, 2):
            return keras.random.dropout(ONES[:2], 0.5, seed=5)

    with by_row(0, 6):
        whole = np.asarray(keras.random.dropout(ONES, 0.5, seed=5))
    np.testing.assert_array_equal(drawn(4), whole[4:])
