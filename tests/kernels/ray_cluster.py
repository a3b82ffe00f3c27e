"""Near-duplicates on a Ray cluster of a head and two workers on this machine, against the engine
of one machine: ``python tests/kernels/ray_cluster.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main() -> int:
    import ray
    from ray.cluster_utils import Cluster

    from runner.kernels.minhash import MinHashSettings, near_clusters
    from tests.kernels.test_daft import chain, texts

    memory = 200 * 1024 * 1024
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": memory, "include_dashboard": False},
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=memory)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        workers = sum(node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())
        given = [*texts(900), *chain(60)]
        config = MinHashSettings(engine="ray", ray_address=cluster.address)
        there = near_clusters(given, config, folder=Path(sys.argv[1]))
        equal = list(there) == list(near_clusters(given, MinHashSettings()))
        print(f"{workers} workers, equal: {equal}, {len(there)} clusters")
    finally:
        ray.shutdown()
        cluster.shutdown()
    return 0 if equal and workers == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
