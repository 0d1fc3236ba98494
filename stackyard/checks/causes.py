"""What a download, a server or a kubelet said at its end, in our words, and what helps."""

# what a download or a server says at its end -> what it means and what helps
# (facts of NIM: docs.nvidia.com/nim/large-language-models, troubleshooting)
CAUSES = (
    ("402", "the key's org has no licence for the model", "an NVIDIA AI Enterprise licence"),
    ("payment required", "the key's org has no licence for the model", "an AI Enterprise licence"),
    ("401", "the NGC key is refused", "pulumi config set --secret ngcApiKey, then up"),
    ("unauthorized", "the NGC key is refused", "pulumi config set --secret ngcApiKey, then up"),
    ("403", "the NGC key may not fetch it", "accept the model's terms at org.ngc.nvidia.com"),
    ("forbidden", "the NGC key may not fetch it", "accept the model's terms at org.ngc.nvidia.com"),
    ("no space left", "the volume is full", "a larger models.<role>.cacheStorage"),
    ("no compatible", "no profile of the image is for this GPU", "stackyard plan"),
    ("no profile", "no profile of the image is for this GPU", "stackyard plan"),
    ("out of memory", "the GPU's memory is not enough", "stackyard plan"),
    ("free memory on device", "a neighbour holds the GPU's memory", "stackyard plan: set lines"),
    ("max seq len", "the context does not fit", "models.llm.maxModelLength"),
    ("permission denied", "the volume is not the pod's to write", "a class that honours fsGroup"),
    ("toomanyrequests", "the registry turns the node away", "a mirror, or log in"),
    ("not found", "no such image, tag or model", "the image in the stack's settings"),
    ("no such host", "the registry's name is not found from the node", "the node's DNS"),
    ("x509", "the node does not trust the registry's certificate", "the CA on the nodes"),
    ("insufficient nvidia.com/gpu", "no GPU is free", "stackyard plan"),
    ("untolerated taint", "the GPU nodes have a taint of their own", "cluster.gpu.tolerations"),
    ("didn't match pod's node affinity", "no node has the labels", "cluster.gpu.nodeSelector"),
    ("unbound immediate persistentvolumeclaims", "the volume is not bound", "stackyard doctor"),
)


def explain(said: str) -> tuple[str, str]:
    """Return the cause in our words, with the end of what was said, and what helps."""
    low = said.lower()
    tail = " ".join(said.split())[-200:]
    for sign, cause, fix in CAUSES:
        if sign in low:
            return f"{cause}: {tail}", fix
    return tail, ""
