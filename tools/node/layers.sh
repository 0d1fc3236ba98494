#!/bin/bash
# Image layers (uncompressed tars) for the control plane, from static Go binaries + a few Debian files of the rootfs.
# usage: layers.sh ROOTFS BIN OUT    BIN has: kube (multi-call, incl. etcd/kubeadm), coredns, local-path-provisioner, pause
set -euo pipefail
R=$(readlink -f "$1"); B=$(readlink -f "$2"); O=$3; mkdir -p "$O"; O=$(readlink -f "$O")
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
tarit() { tar -C "$1" --numeric-owner --owner=0 --group=0 --sort=name --mtime=@0 -cf "$2" .; }
# sys: iptables-nft, nft, conntrack, sh/mkdir/rm (dynamic busybox: Debian's static one segfaults in DNS lookups) for kube-proxy and the local-path helper
S=$W/sys; mkdir -p $S/{usr/sbin,usr/bin,usr/lib,usr/lib64,etc,tmp,run,var,proc,sys,dev}
ln -s usr/bin $S/bin; ln -s usr/sbin $S/sbin; ln -s usr/lib $S/lib; ln -s usr/lib64 $S/lib64
for f in xtables-nft-multi xtables-legacy-multi nft conntrack; do cp "$R/usr/sbin/$f" $S/usr/sbin/; done
for n in iptables ip6tables; do for s in '' -save -restore; do ln -s xtables-nft-multi $S/usr/sbin/$n$s; ln -s xtables-nft-multi $S/usr/sbin/$n-nft$s; done; done
mkdir -p $S/usr/lib/x86_64-linux-gnu/xtables; cp "$R"/usr/lib/x86_64-linux-gnu/xtables/*.so $S/usr/lib/x86_64-linux-gnu/xtables/
{ for f in /usr/sbin/{xtables-nft-multi,nft,conntrack} /usr/bin/busybox; do chroot "$R" ldd $f; done; chroot "$R" sh -c 'ldd /usr/lib/x86_64-linux-gnu/xtables/*.so'; } | grep -oE '/[^ :]+' | grep -v /xtables/ | sort -u | while read -r l; do
  real=$(chroot "$R" readlink -f "$l"); d=$S$(dirname "$(chroot "$R" readlink -f "$(dirname "$l")")/x"); mkdir -p "$d"; cp -L "$R$real" "$d/$(basename "$l")"; done
cp "$R/etc/protocols" "$R/etc/services" "$R/etc/ethertypes" $S/etc/ 2>/dev/null || true
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > $S/etc/passwd; printf 'root:x:0:\n' > $S/etc/group
cp "$R/usr/bin/busybox" $S/usr/bin/busybox; for a in sh ls cat mkdir rm chmod chown cp mv ln echo sleep id wget nc nslookup ip ping httpd vi env date hostname touch df mount head tail timeout grep sed awk sync stat tr seq test true false printf; do ln -s busybox $S/usr/bin/$a; done
mkdir -p $S/etc/ssl/certs; cp -L "$R/etc/ssl/certs/ca-certificates.crt" $S/etc/ssl/certs/ 2>/dev/null || true
tarit $S "$O/sys.tar"
one() { d=$W/$1; mkdir -p $d$(dirname $3); install -m755 "$B/$2" $d$3; tarit $d "$O/$1.tar"; }
d=$W/kube; mkdir -p $d/usr/local/bin; install -m755 "$B/kube" $d/usr/local/bin/kube
for n in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl kubeadm; do ln -s kube $d/usr/local/bin/$n; done; tarit $d "$O/kube.tar"
one coredns coredns /coredns
one lpp local-path-provisioner /usr/bin/local-path-provisioner; one pause pause /pause
