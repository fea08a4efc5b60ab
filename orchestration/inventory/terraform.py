#!/usr/bin/env python3
"""An inventory out of Terraform's outputs: the hosts and groups of hosts.yml, for the clusters that
Terraform has made.

    ansible-playbook -i inventory/terraform.py site.yml

ATLAS_TERRAFORM names the command, ATLAS_TERRAFORM_STATE the state file (by default that of `make world`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where Argo CD runs.
ARGOCD = "us-east"


def outputs():
    """Terraform's outputs, as `terraform output -json` gives them."""
    state = os.environ.get("ATLAS_TERRAFORM_STATE", str(ROOT / ".atlas" / "world.tfstate"))
    command = [os.environ.get("ATLAS_TERRAFORM", "terraform"), "output", "-json", "-state=" + state]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", "") or str(error)
        sys.exit("%s: %s" % (" ".join(command), told.strip()))
    return json.loads(found.stdout)


def name(text):
    """Ansible wants no dashes in the names of groups and hosts."""
    return text.replace("-", "_")


def inventory(clusters):
    """Groups and host variables by cluster."""
    found = {
        "_meta": {"hostvars": {}},
        "all": {
            "children": ["regions", "argocd"],
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        },
        "regions": {"children": []},
        "argocd": {"hosts": []},
    }
    for cluster, facts in sorted(clusters.items()):
        region, host = name(facts["region"]), name(cluster)
        found["regions"]["children"].append(region)
        found[region] = {"hosts": [host]}
        found["_meta"]["hostvars"][host] = {
            "terraform_api": facts["api"],
            "terraform_kubeconfig": facts["kubeconfig"],
            "terraform_nodes": facts["nodes"],
        }
        if facts["region"] == ARGOCD:
            found["argocd"]["hosts"].append(host)
    return found


if __name__ == "__main__":
    if "--host" in sys.argv:
        print(json.dumps({}))
    else:
        print(json.dumps(inventory(outputs().get("clusters", {}).get("value", {})), indent=2))
