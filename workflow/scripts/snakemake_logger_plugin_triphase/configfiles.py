"""What Snakemake says of a config file that it cannot read: with the file, the line, and what would be right."""

from snakemake.common import configfile
from snakemake.exceptions import WorkflowError
from snakemake.settings import types

from triphase.config.files import told_by_name
from triphase.core.errors import InputError


def tell_of_configfiles() -> None:
    """Put our reader of config files around Snakemake's, whose messages name neither file nor line."""
    load = told_by_name(configfile.load_configfile)

    def load_configfile(path):
        try:
            return load(path)
        except InputError as error:
            raise WorkflowError(f"config: {error}") from None

    # What `--configfile` names, and what the Snakefile does.
    types.load_configfile = configfile.load_configfile = load_configfile
