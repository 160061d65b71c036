"""Step: publish the release, and flip to it if the gate passed."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def publish(
    history: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    graph: Input[Dataset],
    hgnn: Input[Model],
    towers: Input[Model],
    table: Input[Dataset],
    decision: Input[Dataset],
    cut: str,
    home: str,
    settings: str,
    release: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Write everything under the new id, verify it, bring online features up, flip the pointer.

    Args:
        history: Checked tables.
        features: Feast repository that training used.
        text: Text vectors.
        graph: Graphs; the release binds the whole one by digest.
        hgnn: The HGNN.
        towers: 2T-HGNN.
        table: Evaluation on the window before the cut; the release carries these figures.
        decision: The gate's verdict.
        cut: UTC moment.
        home: Folder that owns releases, online features and index.
        settings: `Settings.to_json()`.
    """
    import tempfile
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.data.moments import parse_moment
    from colisten.evaluation.split import audience
    from colisten.features.store import open_store, user_rows
    from colisten.index.opening import open_index
    from colisten.json_files import read_mapping, write_json
    from colisten.logs import configure_logs
    from colisten.release.payload import assemble_payload
    from colisten.release.store import ReleaseStore
    from components.figures import log_figures
    from feature_repo.repo import build_feature_repo, materialize

    golden = 32
    configure_logs()
    chosen = Settings.from_json(settings)
    moment = parse_moment(cut, "cut")
    root = Path(home)
    catalogue = Catalogue.read(Path(history.path))
    verdict = read_mapping(Path(decision.path))
    people = audience(
        [Path(history.path)],
        catalogue,
        cut=moment,
        target_type=chosen.data.target_type,
        settings=chosen,
    )
    step = max(1, len(people) // golden)
    rows = user_rows(
        open_store(Path(features.path)), people.user_ids[::step][:golden].tolist(), moment
    )
    store = ReleaseStore(root)
    index = open_index(root, chosen.index)
    with tempfile.TemporaryDirectory() as work:
        payload = assemble_payload(
            Path(work) / "payload",
            catalogue=catalogue,
            target_type=chosen.data.target_type,
            history=Path(history.path),
            towers=Path(towers.path),
            hgnn=Path(hgnn.path),
            graph=Path(graph.path) / "full",
            metrics=read_mapping(Path(table.path)),
            settings=chosen,
            as_of=moment,
            golden_users=rows,
        )
        release_id = store.publish(payload, index)
    build_feature_repo(
        Path(history.path),
        root / "features",
        as_of=moment,
        settings=chosen,
        text_vectors=np.load(Path(text.path) / "vectors.npy", mmap_mode="r"),
    )
    materialize(root / "features", as_of=moment)
    if verdict["passed"]:
        store.promote(release_id, index)
    outcome = {
        "release_id": release_id,
        "folder": str(store.folder(release_id)),
        "promoted": bool(verdict["passed"]),
        "reasons": verdict["reasons"],
        "warnings": verdict["warnings"],
    }
    write_json(Path(release.path), outcome)
    release.metadata["release_id"] = release_id
    log_figures(metrics, {"promoted": bool(verdict["passed"])})
