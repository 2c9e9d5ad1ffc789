# `make help` lists what can be made. PYTHON=/path/to/python3 chooses the interpreter, ARGS=… goes to the program run.

VENV = .venv/bin
PEERS = $(CURDIR)/.peers/usr/bin
export PYTHON

.PHONY: help demo shared protocols policy move discover internet sites limits lab fleet test bench test-unit check setup peers clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## three tenants on one fabric, real frames, and who saw what (root)
	@$(VENV)/python mininet/demo.py $(ARGS)

shared: setup ## nodes in several networks at once: who reaches whom, and hears a broadcast once (root)
	@$(VENV)/python mininet/shared.py $(ARGS)

protocols: setup ## HTTP on one network and VoIP on another, between the same nodes (root)
	@$(VENV)/python mininet/protocols.py $(ARGS)

policy: setup ## policies change under traffic: who loses nothing, and who hears no more (root)
	@$(VENV)/python mininet/policy.py $(ARGS)

move: setup ## a machine moves under 1,000 datagrams a second (root); ARGS names another topology
	@$(VENV)/python mininet/move.py $(ARGS)

discover: setup ## machines come, move and go by the databases of their hosts alone (root)
	@$(VENV)/python mininet/discover.py $(ARGS)

internet: setup ## the Internet through gateways: out, in, between a tenant's networks, and one gateway fails (root)
	@$(VENV)/python mininet/internet.py $(ARGS)

limits: setup ## bandwidth of machines and networks, and how many connections a gateway tracks (root)
	@$(VENV)/python mininet/limits.py $(ARGS)

sites: setup ## networks that extend to remote sites over VXLAN and GRE, WireGuard and IPsec around them (root)
	@tools/setup sites
	@$(VENV)/python mininet/sites.py $(ARGS)

lab: setup ## the same fabric, which stays up, with a prompt (root)
	@$(VENV)/python mininet/lab.py $(ARGS)

fleet: setup ## real switches by the hundred, which stay up for a controller to be tried on (root)
	@$(VENV)/python bench/fleet.py $(ARGS)

test: peers ## every test: unit and property, switch, lab under each framework (root)
	@PATH="$(PEERS):$$PATH" $(VENV)/python tools/tiers.py

bench: peers ## ours beside its targets and its peers, on this machine, in one run of twenty minutes (root)
	@PATH="$(PEERS):$$PATH" $(VENV)/python bench/run.py $(ARGS)

test-unit: ## the tests that need no root, no Open vSwitch and no Mininet
	@tools/setup unit
	@$(VENV)/python -m pytest tests/unit $(ARGS)

check: ## lint, format, types, and that imports run one way
	@tools/setup unit
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/python -m pytest -q tests/unit/test_layers.py

setup: ## install what is missing; the others do it by themselves (root)
	@tools/setup

peers:
	@tools/setup bench

clean: ## remove what was made here; system packages stay
	rm -rf .venv .peers .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
