"""Bit-stream environments on Gymnasium's API, with their tasks and their error floors, and a T-maze.

Importing this package registers the ids below; `gymnasium.make("envs:BitStream/Count-v0")` imports it first.
`envs.tasks` shows how to add a task, in a module of your own too.

| id | target of an observation |
| --- | --- |
| `BitStream/Count-v0` | ones since the episode's start (modulo `modulo`, if set) |
| `BitStream/WindowCount-v0` | ones among the last `window` bits |
| `BitStream/Parity-v0` | parity of the ones so far |
| `BitStream/Recall-v0` | the bit `delay` steps ago, 0 before that |

`TMaze/Passive-v0` is no bit stream: a cue at the first step says which end of a corridor pays.

`bit_stream` is the environment, `vector` many at once on `streams`, `tasks` what they ask, `error_floors` the smallest
loss that a predictor could reach, `t_maze` the T-maze, `registration` their ids.
"""

from envs.registration import register_envs, register_task

__all__ = ["register_task"]

register_envs()
