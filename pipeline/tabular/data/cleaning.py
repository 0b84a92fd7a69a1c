"""How tables are cleaned: by the rules that every modality knows."""

from pipeline.core.cleaning.cleaning import Cleaner

CLEANER = Cleaner()
apply, cleaned, cleaned_scan = CLEANER.apply, CLEANER.cleaned, CLEANER.cleaned_scan
