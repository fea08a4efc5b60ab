"""Writes every task's result as a line of JSON to the file that ATLAS_RESULTS names.

ansible-core itself has no callback for programs to read; its own output stays for people.
"""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: atlas_results
type: notification
short_description: Results of tasks, for the acceptance tests
description: Writes a line of JSON for every task to the file that the environment variable ATLAS_RESULTS names.
"""


class CallbackModule(CallbackBase):
    """One line a task: its name, how it ended, and its result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "atlas_results"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, outcome, ended):
        found = getattr(ended, "result", None)
        # Before ansible-core 2.19.
        found = ended._result if found is None else found
        line = json.dumps({"task": str(ended.task_name), "outcome": outcome, "result": found}, default=str)
        with open(os.environ["ATLAS_RESULTS"], "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def v2_runner_on_ok(self, result):
        self._write("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result):
        self._write("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self._write("skipped", result)
