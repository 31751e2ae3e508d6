"""Results seen together: comparisons of two, boards of a few."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least, Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from classification.models.classification import Classification

NICKNAME_LENGTH = 20
BOARD_NAME_LENGTH = 40
BOARD_SEATS = 20
TOKEN_LENGTH = 32


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def alive(self) -> ComparisonQuerySet:
        """Neither result has expired."""
        now = timezone.now()
        return self.filter(host__expires_at__gt=now).filter(Q(guest=None) | Q(guest__expires_at__gt=now))

    def with_results(self) -> ComparisonQuerySet:
        return self.select_related("host__type", "guest__type")


class Comparison(models.Model):
    """Two results side by side. Until the guest joins it is an invitation, open to whoever has its link.

    It goes with either result, and when either of the two ends it. token: secret while the invitation is open;
    afterwards it opens the comparison only for those two. shows_photo: the stored photo, to the other one alone.
    """

    token = models.CharField(max_length=TOKEN_LENGTH, unique=True, editable=False)
    host = models.ForeignKey(Classification, on_delete=models.CASCADE, related_name="hosted_comparisons")
    host_nickname = models.CharField(max_length=NICKNAME_LENGTH, blank=True)
    host_shows_photo = models.BooleanField(default=False)
    guest = models.ForeignKey(Classification, on_delete=models.CASCADE, related_name="joined_comparisons", null=True)
    guest_nickname = models.CharField(max_length=NICKNAME_LENGTH, blank=True)
    guest_shows_photo = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    joined_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Comparison]] = ComparisonQuerySet.as_manager()

    class Meta:
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=~Q(guest=F("host")), name="comparison_of_two_results"),
            models.CheckConstraint(
                condition=Q(guest=None, joined_at=None) | Q(guest__isnull=False, joined_at__isnull=False),
                name="comparison_joined_with_guest",
            ),
            # Whoever invited whom.
            models.UniqueConstraint(
                Least("host", "guest"),
                Greatest("host", "guest"),
                condition=Q(guest__isnull=False),
                name="comparison_once_per_pair",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class BoardQuerySet(models.QuerySet["Board"]):
    def alive(self) -> BoardQuerySet:
        return self.filter(expires_at__gt=timezone.now())


class Board(models.Model):
    """A group whose members see each other's types; whoever has the link can join.

    Its owner is the member who has been in it longest, so that a board never lacks one. It goes with its last member.
    """

    token = models.CharField(max_length=TOKEN_LENGTH, unique=True, editable=False)
    name = models.CharField(max_length=BOARD_NAME_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Board]] = BoardQuerySet.as_manager()

    class Meta:
        verbose_name = _("board")
        verbose_name_plural = _("boards")
        default_permissions = ()
        indexes = [models.Index(fields=["expires_at"], name="board_expiry")]

    def __str__(self) -> str:
        return str(self.pk)


class BoardMemberQuerySet(models.QuerySet["BoardMember"]):
    def alive(self) -> BoardMemberQuerySet:
        """Their results have not expired."""
        return self.filter(classification__expires_at__gt=timezone.now())

    def longest_first(self) -> BoardMemberQuerySet:
        return self.order_by("pk")


class BoardMember(models.Model):
    """A result on a board, under a nickname. seat: 1 to BOARD_SEATS, so that no race can overfill a board."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="members")
    classification = models.ForeignKey(Classification, on_delete=models.CASCADE, related_name="board_members")
    nickname = models.CharField(max_length=NICKNAME_LENGTH)
    seat = models.PositiveSmallIntegerField()
    joined_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[BoardMember]] = BoardMemberQuerySet.as_manager()

    class Meta:
        verbose_name = _("board member")
        verbose_name_plural = _("board members")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(seat__range=(1, BOARD_SEATS)), name="boardmember_seat_exists"),
            models.CheckConstraint(condition=~Q(nickname=""), name="boardmember_has_nickname"),
            models.UniqueConstraint(fields=["board", "seat"], name="boardmember_seat_once"),
            models.UniqueConstraint("board", Lower("nickname"), name="boardmember_nickname_once"),
            models.UniqueConstraint(fields=["board", "classification"], name="boardmember_result_once"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
