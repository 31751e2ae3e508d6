"""Long work on images, done in the background, with a row for each image and what became of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models.celebrities import CelebrityImage


class Job(models.Model):
    """One import or one run of the auto-labeller. What is left to do are its rows without an outcome.

    archive: key of the uploaded ZIP in the private storage. options: what the curator chose.
    language: of the sentences in the rows. error: why the whole job ended early.
    updated_at: also shows whether somebody still works on it.
    """

    class Kind(models.TextChoices):
        IMPORT = "import", _("import of images")
        AUTOLABEL = "autolabel", _("auto-labelling")

    class State(models.TextChoices):
        """CHECKING: an import looks at its rows. CHECKED: it has, and a curator decides."""

        CHECKING = "checking", _("checking")
        RUNNING = "running", _("running")
        CHECKED = "checked", _("checked")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RUNNING)
    archive = models.CharField(max_length=100, blank=True, editable=False)
    options = models.JSONField(default=dict, editable=False)
    language = models.CharField(max_length=10, default="en", editable=False)
    error = models.CharField(_("ended because"), max_length=500, blank=True)
    total = models.PositiveIntegerField(_("images"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("background job")
        verbose_name_plural = _("background jobs")
        ordering = ["-pk"]
        default_permissions = ["view"]
        constraints = [models.CheckConstraint(condition=Q(done__lte=models.F("total")), name="job_done_at_most_all")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.CHECKING, self.State.RUNNING)


class Outcome(models.TextChoices):
    """What became of one row. PENDING: nothing yet. READY: checked, waits for the curator's word."""

    PENDING = "", _("waiting")
    READY = "ready", _("ready")
    ADDED = "added", _("added")
    LABELLED = "labelled", _("labelled")
    PRESENT = "present", _("already there")
    NEAR_DUPLICATE = "near_duplicate", _("looks like another")
    REFUSED = "refused", _("refused by the gate")
    INVALID = "invalid", _("not valid")
    FAILED = "failed", _("failed")


class JobRow(models.Model):
    """One image of a job. message: a sentence that says why, in the job's language. values: what its CSV row said."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField(_("row"))
    name = models.CharField(_("file"), max_length=300)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices, blank=True)
    message = models.CharField(_("reason"), max_length=500, blank=True)
    values = models.JSONField(default=dict, editable=False)
    image = models.ForeignKey(CelebrityImage, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("row")
        verbose_name_plural = _("rows")
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="jobrow_number_unique")]
        indexes = [models.Index(fields=["job", "outcome", "number"], name="jobrow_by_outcome")]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.name}"
