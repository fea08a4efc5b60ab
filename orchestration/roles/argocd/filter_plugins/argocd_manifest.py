"""The changes that an installation makes to Argo CD's official manifest."""

import yaml

# The C parser where there is one: the manifest is 1.4 MB of YAML.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def argocd_manifest(text, namespace, images=None, replicas=None, settings=None):
    """The manifest's objects, in its order, with other images, numbers of pods and settings.

    namespace -- where Argo CD lives; the manifest leaves it open except in role bindings.
    images    -- {published: other}. Who replaces an image has it in the nodes already, so it is
                 never pulled where it is present.
    replicas  -- {name of a Deployment: pods}
    settings  -- entries of the ConfigMap argocd-cm
    """
    objects = [found for found in yaml.load_all(text, Loader=Loader) if found]
    for one in objects:
        kind, name = one["kind"], one["metadata"]["name"]
        for subject in one.get("subjects") or []:
            if "namespace" in subject:
                subject["namespace"] = namespace
        if kind == "Deployment" and name in (replicas or {}):
            one["spec"]["replicas"] = int(replicas[name])
        if kind == "ConfigMap" and name == "argocd-cm" and settings:
            one["data"] = {**(one.get("data") or {}), **settings}
        pod = ((one.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in (pod.get("initContainers") or []) + (pod.get("containers") or []):
            replace_image(container, images or {})
    return objects


def replace_image(container, images):
    """Puts another image in, if there is one for this."""
    other = images.get(container["image"])
    if other:
        container["image"] = other
        container["imagePullPolicy"] = "IfNotPresent"


class FilterModule:
    """What Ansible asks for."""

    def filters(self):
        return {"argocd_manifest": argocd_manifest}
