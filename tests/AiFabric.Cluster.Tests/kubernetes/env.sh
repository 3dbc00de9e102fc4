# Shared settings; every script sources it. Override any of them from the environment.
: "${K8S_CACHE:=$HOME/.cache/aifabric/kubernetes}"  # downloads, Go build cache (safe to keep between runs)
: "${K8S_BIN:=$K8S_CACHE/bin}"        # built binaries
: "${K8S_XZ:=$PWD/../../../../shared/kubernetes/xz}"  # ready binaries, packed: unpacked instead of compiled where they exist
LOGS=${K8S_LOGS:-${TMPDIR:-/tmp}/aifabric-k8s-logs}; mkdir -p "$LOGS"
: "${K8S_RUN:=${TMPDIR:-/tmp}/aifabric-k8s}"          # state of the running cluster: certs, logs, pids, etcd data
: "${K8S_PORT:=16443}"                # API server
: "${K8S_BIND:=127.0.0.1}"              # set to 0.0.0.0 when pods on a bridge must reach the API (node-up.sh)
: "${ETCD_PORT:=$((K8S_PORT + 1))}"     # etcd client port (peer port is the next one)
: "${MODERN_PORT:=$((K8S_PORT + 3))}"   # custom-resource server
: "${SVC_CIDR:=10.96.0.0/16}"
: "${POD_CIDR:=10.244.0.0/16}"
export KUBECONFIG=${KUBECONFIG_OVERRIDE:-$K8S_RUN/admin.kubeconfig}
K8S_VERSION=1.20.2
DEB_VERSION=1.20.5+really1.20.2-1.1+deb12u1
# start NAME CMD...: run in the background, in a session of its own, log and pid under $K8S_RUN
start() { local n=$1; shift; setsid nohup "$@" >"$K8S_RUN/$n.log" 2>&1 </dev/null & echo $! >"$K8S_RUN/$n.pid"; }
# a process counts only while its command line names this cluster's folder: the number may have gone to another one since.
# One that is just being started has no such line for a moment, so it is looked at a few times.
alive() { local p; [ -s "$K8S_RUN/$1.pid" ] && p=$(cat "$K8S_RUN/$1.pid") || return 1
  for _ in 1 2 3 4 5; do
    kill -0 "$p" 2>/dev/null || return 1
    if grep -qaF "$K8S_RUN/" "/proc/$p/cmdline" 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  return 1; }
# stop NAME: TERM, wait up to 3 s, then KILL (the data are thrown away); by pid only
stop() { alive "$1" || { rm -f "$K8S_RUN/$1.pid"; return 0; }; local p; p=$(cat "$K8S_RUN/$1.pid"); kill "$p" 2>/dev/null || :
  for _ in $(seq 30); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done; kill -9 "$p" 2>/dev/null || :; rm -f "$K8S_RUN/$1.pid"; }
