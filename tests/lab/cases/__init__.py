"""The cases: what each client does, and what is done to the cluster meanwhile.

A case is a function of a Session (record.py). To add one, write such a function under @case; `store`
says what of it belongs in captures/: "ethernet", "sll2", or None for what is too large to keep.
"""

from cases.words import CASES                                   # noqa: F401
from cases import (paths, ingress, ingress_load, ingress_kinds,  # noqa: F401, in this order they fill CASES
                   ingress_faults, unusual, faults, variants)
