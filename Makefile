# Every target installs what it needs beyond the .NET 10 SDK, node and root on Debian 12.
SHELL := /bin/bash
CONFIGURATION ?= Release
BIN := artifacts/bin
CLI := $(BIN)/AiFabric.Cli/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/aifabric

.DEFAULT_GOAL := help
.PHONY: help build test test-cluster e2e chaos bench-operator bench-engine bench-scheduler bench-gpu bench-pipeline bench-coserve bench-memory bench-gateway demo up down crds model format images install clean

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## Builds everything
	dotnet build AiFabric.sln -c $(CONFIGURATION) -v q -nologo

demo: build ## The main job: serve, finetune while serving, serve the adapter; ends with "demo: ok"
	$(CLI) demo

up: build ## Starts the local fabric and leaves it running; ARGS="--gateway-port 9090" passes options
	$(CLI) up $(ARGS)

down: ## Stops the local fabric; ARGS=--purge deletes its state as well
	$(CLI) down $(ARGS)

test: ## Pure tests and engine tests
	tests/run.sh AiFabric.Tests AiFabric.Engine.Tests

test-cluster: ## Tests on API servers, processes and real clients
	tests/run.sh AiFabric.Cluster.Tests

e2e: images ## Tests on a real Kubernetes control plane and real nodes (root, Debian 12)
	SUITE=e2e tests/run.sh AiFabric.Cluster.Tests

chaos: images ## Faults under load on a real control plane and real nodes: docs/benchmarks/chaos.md
	SUITE=chaos tests/run.sh AiFabric.Cluster.Tests

bench-operator: ## 500, 1000 and 2000 models and jobs on a real API server: docs/benchmarks/operator.md
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	source tests/prepare.sh && prepare_real_cluster && $(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench operator $(BENCH_ARGS)

bench-engine: ## The engine and the worker beside llama.cpp on the same files, prompts and threads: docs/benchmarks/engine.md
	images/publish.sh worker artifacts/bench/publish
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	source tests/prepare.sh && $(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench engine $(BENCH_ARGS)

bench-scheduler: ## Time and bytes of a scheduler's step, by BenchmarkDotNet; fails when a step allocates
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	$(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench scheduler

bench-memory: ## Activation memory of finetuning, predicted and measured: docs/benchmarks/memory.md
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	$(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench memory $(BENCH_ARGS)

bench-gpu: ## The engine on a CUDA device, beside its roofline and transformers: docs/benchmarks/gpu.md
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	$(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench gpu $(BENCH_ARGS)

bench-pipeline: ## A verification pipeline, streaming against barriers: docs/benchmarks/pipeline.md
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	$(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench pipeline $(BENCH_ARGS)

bench-coserve: ## Finetuning beside inference: co-serving, split, temporal and spatial sharing (root): docs/benchmarks/coserve.md
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	$(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench coserve --plots docs/benchmarks $(BENCH_ARGS)

bench-gateway: ## Routing policies on four workers, and the gateway's cost beside nginx (root): docs/benchmarks/gateway.md
	dotnet build tests/AiFabric.Benchmarks -c $(CONFIGURATION) -v q -nologo
	source tests/prepare.sh && prepare_nginx && $(BIN)/AiFabric.Benchmarks/$(shell echo $(CONFIGURATION) | tr A-Z a-z)/bench gateway $(BENCH_ARGS)

crds: ## Writes crds/manifests and the chart's copy of them from the resource types
	dotnet run --project crds/AiFabric.Crds.Generator -c $(CONFIGURATION) -- crds/manifests charts/aifabric/charts/aifabric-crds/files

model: ## Trains the demo model anew (20 to 25 minutes on two free cores)
	runtime/models/train-demo-model.sh

images: ## Builds the images of operator, gateway and worker, without docker or a registry
	images/build.sh

format: ## Formats the code
	dotnet format AiFabric.sln

install: build ## Puts aifabric and kubectl-aifabric into /usr/local/bin
	ln -sf "$(CURDIR)/$(CLI)" /usr/local/bin/aifabric
	ln -sf "$(CURDIR)/$(CLI)" /usr/local/bin/kubectl-aifabric

clean: ## Removes what was built
	rm -rf artifacts
