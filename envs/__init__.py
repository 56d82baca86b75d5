"""Bit-stream environments on Gymnasium's API, with their targets and their error floors.

Importing this package registers the ids below; `gymnasium.make("envs:BitStream/Count-v0")` imports it first.

| id | target of an observation |
| --- | --- |
| `BitStream/Count-v0` | ones since the episode's start (modulo `modulo`, if set) |
| `BitStream/WindowCount-v0` | ones among the last `window` bits |
| `BitStream/Parity-v0` | parity of the ones so far |
| `BitStream/Recall-v0` | the bit `delay` steps ago, 0 before that |
"""

from envs.registration import register_envs

register_envs()
