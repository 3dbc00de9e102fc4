#!/bin/bash
# Hybrid: puts the modern (1.36) apiextensions-apiserver behind the 1.20 kube-apiserver's aggregator, so ONE endpoint serves the 1.20
# core API and modern CRDs (CEL). Usage: modern-join.sh GROUP/VERSION...   (one APIService per custom group/version)
set -euo pipefail
cd "$(dirname "$0")"; . ./env.sh; P=$K8S_RUN/pki; PORT=$MODERN_PORT
HOSTIP=${K8S_HOSTIP:-$(ip -4 route get 1.1.1.1 2>/dev/null | grep -oP 'src \K[0-9.]+' || ip -4 -o addr show scope global | awk '{split($4,a,"/");print a[1];exit}')}
if [ ! -s "$P/modern.crt" ]; then
  openssl req -newkey rsa:2048 -nodes -subj /CN=modern -keyout "$P/modern.key" -out "$P/modern.csr" 2>/dev/null
  openssl x509 -req -in "$P/modern.csr" -CA "$P/ca.crt" -CAkey "$P/ca.key" -CAcreateserial -days 365 -out "$P/modern.crt" \
    -extfile <(echo "extendedKeyUsage=serverAuth"; echo "subjectAltName=DNS:modern-crd.kube-system.svc,IP:127.0.0.1") 2>/dev/null
fi
K=$K8S_RUN/admin.kubeconfig
# It looks up the Services of webhooks by name, and there is no DNS: an /etc/hosts of its own, $K8S_RUN/hosts, can name them.
[ -s "$K8S_RUN/hosts" ] || cp /etc/hosts "$K8S_RUN/hosts"
OWN=(); ! unshare --mount true 2>/dev/null || OWN=(unshare --mount bash -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$K8S_RUN/hosts")
# authentication and authorization are asked of the 1.20 server; the admission plugins left out need APIs 1.20 does not have
alive modern || start modern "${OWN[@]}" "$K8S_BIN/apiextensions-apiserver" --etcd-servers="http://127.0.0.1:$ETCD_PORT" --etcd-prefix=/modern --bind-address=0.0.0.0 --secure-port="$PORT" \
  --tls-cert-file="$P/modern.crt" --tls-private-key-file="$P/modern.key" --client-ca-file="$P/ca.crt" \
  --authentication-kubeconfig="$K" --authorization-kubeconfig="$K" --kubeconfig="$K" --enable-priority-and-fairness=false \
  --disable-admission-plugins=ValidatingAdmissionPolicy,MutatingAdmissionPolicy
for i in $(seq 100); do kubectl --server="https://127.0.0.1:$PORT" get --raw '/readyz?exclude=informer-sync' >/dev/null 2>&1 && break; alive modern || { tail -20 "$K8S_RUN/modern.log"; exit 1; }; sleep 0.2; done
{ cat <<Y
apiVersion: v1
kind: Service
metadata: {name: modern-crd, namespace: kube-system}
spec: {ports: [{port: 443, targetPort: $PORT, protocol: TCP}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: modern-crd, namespace: kube-system}
subsets: [{addresses: [{ip: "$HOSTIP"}], ports: [{port: $PORT, protocol: TCP}]}]
Y
for gv in apiextensions.k8s.io/v1 "$@"; do cat <<Y
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: ${gv#*/}.${gv%/*}}
spec: {group: ${gv%/*}, version: ${gv#*/}, groupPriorityMinimum: 1000, versionPriority: 15, caBundle: $(base64 -w0 "$P/ca.crt"), service: {name: modern-crd, namespace: kube-system, port: 443}}
Y
done; } | kubectl apply --validate=false -f - >/dev/null
kubectl wait --for=condition=Available --timeout=30s apiservice/v1.apiextensions.k8s.io
