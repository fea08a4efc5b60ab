# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

from ansible_collections.atlas.world.plugins.plugin_utils.native import NativeModule


class ActionModule(NativeModule):
    """Runs the module cockroachdb_cluster of the binary for the target's architecture."""

    MODULE = "cockroachdb_cluster"
