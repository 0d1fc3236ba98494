#!/bin/bash
# The root file system of kind's base image: Debian, kind's own files, containerd and the Kubernetes binaries.
# usage: rootfs.sh BASE.tar KIND_FILES BINARIES ROOTFS   (KIND_FILES is images/base/files of kind's Go module)
set -euo pipefail
BASE=$1 F=$2 B=$3 R=$4
rm -rf "$R"; mkdir -p "$R"; tar -xpf "$BASE" -C "$R" --numeric-owner
install -D -m755 -t "$R/usr/local/bin" "$F"/usr/local/bin/*
mkdir -p "$R/kind/bin"; install -m644 "$F/kind/README.txt" "$R/kind/"; install -m755 "$F"/kind/bin/* "$R/kind/bin/"
install -D -m644 -t "$R/etc" "$F"/etc/crictl.yaml
install -D -m644 -t "$R/etc/containerd" "$F"/etc/containerd/config.toml
install -D -m644 -t "$R/etc/default" "$F"/etc/default/kubelet
install -D -m644 -t "$R/etc/sysctl.d" "$F"/etc/sysctl.d/*
install -D -m644 -t "$R/etc/systemd/system" "$F"/etc/systemd/system/*.*ice
rm -f "$R"/etc/systemd/system/kubelet.service.d; install -D -m644 "$F"/etc/systemd/system/kubelet.slice "$R/etc/systemd/system/kubelet.slice"
install -D -m644 -t "$R/etc/systemd/system/kubelet.service.d" "$F"/etc/systemd/system/kubelet.service.d/*
# Dockerfile's systemd trimming
find "$R"/lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -f "$R"/lib/systemd/system/multi-user.target.wants/* "$R"/etc/systemd/system/*.wants/* \
  "$R"/lib/systemd/system/local-fs.target.wants/* "$R"/lib/systemd/system/sockets.target.wants/*udev* \
  "$R"/lib/systemd/system/sockets.target.wants/*initctl* "$R"/lib/systemd/system/basic.target.wants/*
echo "ReadKMsg=no" >> "$R/etc/systemd/journald.conf"
[ -e "$R/sbin/init" ] || ln -s /usr/lib/systemd/systemd "$R/sbin/init"
W=$R/etc/systemd/system/multi-user.target.wants; mkdir -p "$W"
for u in kubelet containerd undo-mount-hacks; do ln -sf /etc/systemd/system/$u.service "$W/$u.service"; done
ln -sf /dev/null "$R/etc/systemd/system/systemd-binfmt.service"
mkdir -p "$R/etc/kubernetes/manifests" "$R/kind/manifests" "$R/opt/cni/bin"
rm -rf "$R"/var/cache/apt/* "$R"/var/lib/apt/lists/* "$R"/var/log/* "$R"/usr/share/doc/* "$R"/usr/share/man/*
install -m755 "$B"/{containerd,ctr,containerd-shim-runc-v2,kube} "$R/usr/local/bin/"
[ -x "$R/usr/local/sbin/runc" ] || ln -sf /usr/sbin/runc "$R/usr/local/sbin/runc"
for p in host-local loopback ptp portmap bridge; do cp -n "$R/usr/lib/cni/$p" "$R/opt/cni/bin/" 2>/dev/null || true; done
rm -rf "$R"/usr/bin/{containerd,ctr,containerd-shim,containerd-shim-runc-v1,containerd-shim-runc-v2,containerd-stress} "$R"/lib/systemd/system/containerd.service
chroot "$R" /usr/local/bin/ctr oci spec | chroot "$R" jq '.hooks.createContainer[.hooks.createContainer|length] |= . + {"path":"/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' > "$R/etc/containerd/cri-base.json"
# without CAP_SYS_RESOURCE a negative oom_score_adj must be clamped; kind does this itself for rootless
if [ "${CLAMP_OOM_SCORE:-}" = 1 ]; then sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$R/etc/containerd/config.toml"; fi
