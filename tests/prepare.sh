# Sourced by tests/run.sh: installs what tests use beyond the .NET SDK and node. Does nothing where it is there already.
apt_install() {
  dpkg -s "$@" >/dev/null 2>&1 && return
  echo "Installing $*"
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@") >/dev/null
}

kubernetes=tests/AiFabric.Cluster.Tests/kubernetes
K8S_BIN=${K8S_BIN:-${K8S_CACHE:-$HOME/.cache/aifabric/kubernetes}/bin}
PATH=$PATH:$K8S_BIN
export PATH K8S_BIN
command -v kubectl >/dev/null || {
  command -v python3 >/dev/null || apt_install python3
  echo "Installing kubectl"
  $kubernetes/get-helm.sh >/dev/null
}
command -v git >/dev/null || apt_install git
if [ ! -e tests/npm/node_modules/.package-lock.json ] || [ tests/npm/package-lock.json -nt tests/npm/node_modules/.package-lock.json ]; then
  echo "Installing the npm packages of the tests"
  (cd tests/npm && npm ci --no-audit --no-fund --silent --ignore-scripts)
fi

# What tests on a real control plane need: its binaries (unpacked, or compiled in about 20 minutes), Helm, and the tools of its scripts.
prepare_real_cluster() {
  local missing=() tool
  for tool in openssl:openssl xz:xz-utils ip:iproute2 ps:procps python3:python3 etcd:etcd-server; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool#*:}")
  done
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
  $kubernetes/fetch-and-build.sh && $kubernetes/fetch-modern-crd-server.sh || echo "No Kubernetes to be had here: the tests that need it are skipped"
  $kubernetes/get-helm.sh && HELM_LAYER=v33 $kubernetes/get-helm.sh || echo "No Helm to be had here: the tests that need it are skipped"
}

# nginx as a peer of the gateway: Debian 12's package of one version, else what the distribution has. Its service is not started.
prepare_nginx() {
  [ -x /usr/sbin/nginx ] && return
  RUNLEVEL=1 apt_install "nginx-light=$NGINX_VERSION" || RUNLEVEL=1 apt_install nginx-light
}
NGINX_VERSION=1.22.1-9+deb12u11
