# Sourced by tests/run.sh: installs what tests use beyond the .NET SDK and node. Does nothing where it is there already.
apt_install() {
  dpkg -s "$@" >/dev/null 2>&1 && return
  echo "Installing $*"
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@") >/dev/null
}

command -v kubectl >/dev/null || apt_install kubernetes-client
command -v git >/dev/null || apt_install git
if [ ! -e tests/npm/node_modules/.package-lock.json ] || [ tests/npm/package-lock.json -nt tests/npm/node_modules/.package-lock.json ]; then
  echo "Installing the npm packages of the tests"
  (cd tests/npm && npm ci --no-audit --no-fund --silent --ignore-scripts)
fi
