# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends the binary for the target's architecture and runs one of its modules.

Ansible itself picks no binary by architecture. All modules are one file, in the collection's folder
`native`; which of them is meant goes with the arguments.
"""

from __future__ import annotations

import os
import platform

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader
from ansible.utils.vars import merge_hash

NATIVE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "native")


class NativeModule(ActionBase):
    """What the action plugins of this collection share."""

    MODULE = ""

    def run(self, tmp=None, task_vars=None):
        # Of the object, not of the class, whose values ansible-core 2.14 overrides.
        self._supports_check_mode = True
        self._supports_async = True
        result = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        architecture = self._architecture(task_vars)
        binary = "atlas_" + architecture
        if not os.path.exists(os.path.join(NATIVE, binary)):
            # A collection that was installed from a checkout has no such folder.
            found = os.listdir(NATIVE) if os.path.isdir(NATIVE) else []
            known = sorted(name[len("atlas_"):] for name in found if name.startswith("atlas_"))
            result["failed"] = True
            result["msg"] = (
                "The collection atlas.world has no binary for the architecture %s of this host; it has: %s. "
                "In a checkout on such a machine `make collection-build` builds it, as "
                "ansible-module/collection/native/%s; put it into %s."
                % (architecture or "(unknown)", ", ".join(known) or "none", binary, NATIVE)
            )
            return result
        module_loader.add_directory(NATIVE)
        wrap_async = bool(self._task.async_val and not self._connection.has_native_async)
        ran = self._execute_module(
            # Without the prefix it would be looked for in the collection of a role.
            module_name="ansible.legacy." + binary,
            module_args=dict(self._task.args, _atlas_module=self.MODULE),
            task_vars=task_vars,
            wrap_async=wrap_async,
        )
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return merge_hash(result, ran)

    def _architecture(self, task_vars):
        """As `uname -m` says it on the target: asked only where nobody knows."""
        known = (task_vars.get("ansible_facts") or {}).get("architecture")
        if known:
            return known
        if self._connection.transport == "local":
            return platform.machine()
        return self._low_level_execute_command("uname -m").get("stdout", "").strip()
