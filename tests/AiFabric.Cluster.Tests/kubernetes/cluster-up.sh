#!/bin/bash
# etcd + kube-apiserver (+ kube-controller-manager + kube-scheduler) on 127.0.0.1.
# CONTROLLERS=0 leaves the last two out, SCHEDULER=0 the last; APISERVER_ARGS and KCM_ARGS are added. Re-runnable: what is already running is left alone.
set -euo pipefail
cd "$(dirname "$0")"; . ./env.sh
P=$K8S_RUN/pki; mkdir -p "$P" "$K8S_RUN/etcd"; chmod 700 "$K8S_RUN"
command -v etcd >/dev/null || { apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends etcd-server; }
HOSTIP=${K8S_HOSTIP:-$(ip -4 route get 1.1.1.1 2>/dev/null | grep -oP 'src \K[0-9.]+' || ip -4 -o addr show scope global | awk '{split($4,a,"/");print a[1];exit}')}
: "${HOSTIP:=127.0.0.1}"
# --- certificates: one CA; server cert; client certs (CN = user, O = group)
if [ ! -s "$P/ca.crt" ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=test-ca -keyout "$P/ca.key" -out "$P/ca.crt" 2>/dev/null
  openssl genrsa -out "$P/sa.key" 2048 2>/dev/null; openssl rsa -in "$P/sa.key" -pubout -out "$P/sa.pub" 2>/dev/null
fi
cert() { # NAME SUBJECT [SAN]
  [ -s "$P/$1.crt" ] && return
  openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$P/$1.key" -out "$P/$1.csr" 2>/dev/null
  openssl x509 -req -in "$P/$1.csr" -CA "$P/ca.crt" -CAkey "$P/ca.key" -CAcreateserial -days 365 -out "$P/$1.crt" \
    -extfile <(echo "extendedKeyUsage=serverAuth,clientAuth"; [ -n "${3:-}" ] && echo "subjectAltName=$3") 2>/dev/null
}
kubeconfig() { # FILE CERT
  cat >"$K8S_RUN/$1" <<Y
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$K8S_PORT", certificate-authority-data: $(base64 -w0 "$P/ca.crt")}}]
users: [{name: $2, user: {client-certificate-data: $(base64 -w0 "$P/$2.crt"), client-key-data: $(base64 -w0 "$P/$2.key")}}]
contexts: [{name: test, context: {cluster: test, user: $2}}]
current-context: test
Y
}
SVC1=$(sed -E 's#\.[0-9]+/.*#.1#' <<<"$SVC_CIDR")
cert apiserver /CN=kube-apiserver "IP:127.0.0.1,IP:$SVC1,IP:$HOSTIP,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
cert admin /O=system:masters/CN=admin
cert kcm /CN=system:kube-controller-manager
cert scheduler /CN=system:kube-scheduler
cert front-proxy /CN=front-proxy   # the aggregator's identity, for APIServices (modern-join.sh)
for u in admin kcm scheduler; do kubeconfig "$u.kubeconfig" "$u"; done
# --- etcd: no fsync, the data are thrown away
alive etcd || start etcd etcd --name t --data-dir "$K8S_RUN/etcd/data" --unsafe-no-fsync \
  --listen-client-urls "http://127.0.0.1:$ETCD_PORT" --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
  --listen-peer-urls "http://127.0.0.1:$((ETCD_PORT+1))" --initial-advertise-peer-urls "http://127.0.0.1:$((ETCD_PORT+1))" \
  --initial-cluster "t=http://127.0.0.1:$((ETCD_PORT+1))"
# --- kube-apiserver. --service-account-issuer/-signing-key-file are compulsory since 1.20.
alive kube-apiserver || start kube-apiserver "$K8S_BIN/kube-apiserver" \
  --etcd-servers="http://127.0.0.1:$ETCD_PORT" --bind-address="$K8S_BIND" --advertise-address="$HOSTIP" --secure-port="$K8S_PORT" \
  --tls-cert-file="$P/apiserver.crt" --tls-private-key-file="$P/apiserver.key" --client-ca-file="$P/ca.crt" \
  --kubelet-client-certificate="$P/admin.crt" --kubelet-client-key="$P/admin.key" \
  --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$P/sa.pub" --service-account-signing-key-file="$P/sa.key" \
  --requestheader-client-ca-file="$P/ca.crt" --requestheader-allowed-names=front-proxy --requestheader-username-headers=X-Remote-User \
  --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$P/front-proxy.crt" --proxy-client-key-file="$P/front-proxy.key" --enable-aggregator-routing=true \
  --authorization-mode=Node,RBAC --service-cluster-ip-range="$SVC_CIDR" --allow-privileged=true ${APISERVER_ARGS:-}
for i in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break
  alive kube-apiserver || { tail -20 "$K8S_RUN/kube-apiserver.log"; exit 1; }; sleep 0.2; done
kubectl get --raw /readyz; echo
if [ "${CONTROLLERS:-1}" = 1 ]; then
  alive kube-controller-manager || start kube-controller-manager "$K8S_BIN/kube-controller-manager" --kubeconfig="$K8S_RUN/kcm.kubeconfig" \
    --authentication-kubeconfig="$K8S_RUN/kcm.kubeconfig" --authorization-kubeconfig="$K8S_RUN/kcm.kubeconfig" \
    --port=0 --secure-port=0 --leader-elect=false --use-service-account-credentials=true --root-ca-file="$P/ca.crt" \
    --service-account-private-key-file="$P/sa.key" --cluster-signing-cert-file="$P/ca.crt" --cluster-signing-key-file="$P/ca.key" \
    --cluster-cidr="$POD_CIDR" --allocate-node-cidrs=true ${KCM_ARGS:-}
  [ "${SCHEDULER:-1}" = 0 ] || alive kube-scheduler || start kube-scheduler "$K8S_BIN/kube-scheduler" --kubeconfig="$K8S_RUN/scheduler.kubeconfig" \
    --authentication-kubeconfig="$K8S_RUN/scheduler.kubeconfig" --authorization-kubeconfig="$K8S_RUN/scheduler.kubeconfig" \
    --port=0 --secure-port=0 --leader-elect=false
  # until the default service account exists, pods are refused by admission
  for i in $(seq 150); do kubectl -n default get sa default >/dev/null 2>&1 && break; sleep 0.2; done
fi
echo "KUBECONFIG=$KUBECONFIG"
