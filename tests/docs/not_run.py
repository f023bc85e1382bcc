"""The commands of the documentation that its test does not run, each with the reason; any other is run."""

NOT_RUN: dict[str, str] = {
    r"make (setup|docs)\b": "installs into the checkout's .venv; the site is built by test_the_site_is_built",
    r"make (demo|test|test-lowest|bench)\b": "runs for minutes to hours; .ci/run runs the first two's parts",
    r"make dev$": "serves until it is stopped; tests/dagster_project ticks its sensors",
    r"CORPUSMITH_PROFILE=smoke make dev$": "as above",
    r"python tests/hub/hub_server.py": "serves until it is stopped; the test has that very server running",
    r"\.ci/run$": "runs this test, and all others",
    r"(sudo|docker|helm|kubectl) ": "needs a Docker daemon or a cluster; tests/deployment reads the files",
    r"cd docker$": "goes with the commands of Docker",
    r"git pull ": "needs the network",
    r"cp docker/example\.env|mkdir docker/project": "goes with the commands of Docker",
    r"pip install": "needs a package index",
    r"hf auth login": "asks for a token, on the terminal",
    r"corpusmith build reddit --profile laptop": "probes a published model for a quarter of an hour",
    r".*--profile gpu": "needs the published models: the network and a GPU",
    r"python -m corpusmith\.assets\.house\.": "trains a model for minutes to hours",
    r".*(photos/|imagenet/|somebodys/)": "reads images of one's own; tests/assets does it with some",
    r"corpusmith import edits pairs/": "trains segmenters anew; tests/assets/edits/test_layouts.py reads exports",
    r"from corpusmith\.models\.text\.classify": "a fragment: its comments stand for a table of one's own",
    r"\.venv/bin/python -m benchmarks produce": "measures for minutes; tests/test_benchmarks.py runs it small",
    r"\.venv/bin/python -m benchmarks\.on_a_card": "measures for minutes, and says something on a graphics card alone",
    r"corpusmith build reddit --set reddit\.models\.second_judge": "tests/assets/reddit/test_opinions.py has one",
    r"corpusmith build reddit --source RC_": "reads a dump of one's own; tests/dagster_project/test_real_dumps.py does",
    r"corpusmith models fetch": "fetches 93 MB; tests/corpusmith/models/test_fetching.py does",
    r"corpusmith models check$": "imports every pipeline; tests/dagster_project/test_models_command.py does a role",
    r"corpusmith verify data/reddit --reg": "makes rows anew for a while; tests/dagster_project/test_cli.py runs it",
    r"corpusmith verify data/portraits --reg": "loads generators; tests/dagster_project/test_portraits.py runs it",
    r"corpusmith build imagenet --set imagenet\.classes": "a build of many minutes with house models",
    r"\.venv/bin/pre-commit install$": "changes the hooks of the checkout; its configuration is validated",
    r"corpusmith build \w+ --set work\.executor=ray": "minutes; tests/corpusmith/work/test_ray_executor.py builds one",
    r"python -m spacy download |.*reddit\.comments\.people=": "needs a model from elsewhere; test_people.py has one",
    r"export AWS_": "stands for keys of one's own",
    r"corpusmith build reddit --set work\.ledger=s3": "needs an object store; tests/assets/test_ledgers.py has one",
    r"ray job submit ": "needs a cluster with ray[default]; it was run by hand",
    r"corpusmith --install-completion$": "writes into the home of whoever runs the tests",
}
"""Regular expressions that a command begins with."""

RELEASE, DIFF = "corpusmith release reddit --bump minor", "corpusmith diff reddit@1.0.0 reddit@1.1.0"
TAKEN_DOWN = 'corpusmith takedown reddit d6ca8a6e85a3a14f3524a58d4748e28b --reason "its author asked for it"'
REDDIT, EDITS, IMAGENET = (f"docs/tutorials/{corpus}.md" for corpus in ("reddit", "edits", "imagenet"))
ELSEWHERE: dict[str, dict[str, tuple[str, str]]] = {
    "README.md": {
        "corpusmith build reddit --profile smoke": (REDDIT, "corpusmith build reddit"),
        "corpusmith validate data/reddit": (REDDIT, "corpusmith validate data/reddit"),
        RELEASE: ("docs/versions.md", RELEASE),
        DIFF: ("docs/versions.md", DIFF),
        'corpusmith takedown reddit KEY --reason "..."': ("docs/versions.md", f"{TAKEN_DOWN} --forget-set forget"),
        "corpusmith rollback reddit 1.0.0": ("docs/versions.md", "corpusmith rollback reddit 1.0.0"),
        "corpusmith publish reddit && corpusmith pull reddit@^1": ("docs/how-to/pull.md", "corpusmith publish reddit"),
        "corpusmith export edits --to pairs/": (EDITS, "corpusmith export edits --to pairs/ --format diffseg"),
        "corpusmith annotate export raters --rater anna": (
            "docs/how-to/annotate.md",
            "corpusmith annotate export raters --rater anna --rater ben --images 6",
        ),
    },
    "docs/versions.md": {"corpusmith build reddit": (REDDIT, "corpusmith build reddit")},
    "docs/index.md": {
        "corpusmith build reddit": (REDDIT, "corpusmith build reddit"),
        "corpusmith status reddit": ("docs/how-to/upkeep.md", "corpusmith status reddit"),
    },
    "docs/edits.md": {
        "corpusmith build edits": (EDITS, "corpusmith build edits"),
        "corpusmith export edits --to pairs/ --format diffseg": (
            EDITS,
            "corpusmith export edits --to pairs/ --format diffseg",
        ),
    },
    "docs/imagenet.md": {
        "corpusmith build imagenet": (IMAGENET, "corpusmith build imagenet"),
        "corpusmith release imagenet --bump minor": ("docs/versions.md", RELEASE),
        "corpusmith export imagenet --to imagenet-g/ --format imagefolder": (
            IMAGENET,
            "corpusmith export imagenet --to imagenet-g/ --format imagefolder",
        ),
    },
    "docs/how-to/add-a-check.md": {
        "corpusmith validate data/reddit": (REDDIT, "corpusmith validate data/reddit"),
    },
}
"""By page, commands that another page shows in a state that this one has not, or that are slow: where they are run."""
