"""The pages on which two people compare their results: inviting, joining, seeing both."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.generic import TemplateView

from classification import comparisons, photos, selectors
from classification.comparing_forms import AcceptForm, InvitationForm
from classification.comparison_page import ComparisonPage
from classification.comparisons import Participant
from classification.errors import ComparisonNotFound, InvitationTaken
from classification.models import Classification, Comparison
from classification.ownership import owned_ids
from classification.pages.linked import LinkedView
from classification.pages.results import owned_classification


class InvitationCreateView(LinkedView):
    """Inviting a friend to compare with one result; the invitations and comparisons it has already."""

    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        return self._page(owned_classification(request, classification_id), InvitationForm())

    def post(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        classification = owned_classification(request, classification_id)
        form = InvitationForm(request.POST)
        if not form.is_valid():
            return self._page(classification, form, status=HTTPStatus.BAD_REQUEST)
        host = Participant(classification, form.cleaned_data["nickname"], form.cleaned_data["shows_photo"])
        invitation = comparisons.invitation_create(host=host, nonce=form.cleaned_data["nonce"])
        return redirect("comparison", invitation.token)

    def _page(
        self, classification: Classification, form: InvitationForm, *, status: int = HTTPStatus.OK
    ) -> HttpResponse:
        context = {
            "classification": classification,
            "form": form,
            "others": [
                {"comparison": each, "other": _nickname_of_other(each, classification.pk)}
                for each in comparisons.comparisons_of(classification.pk)
            ],
        }
        return render(self.request, "classification/invitation_new.html", context, status=status)


class ComparisonView(LinkedView):
    """One address for the invitation and what comes of it: its host waits, a friend joins, and then both compare."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        invitation = comparisons.invitation_by_token(token)
        owned = owned_ids(request)
        if invitation.guest_id is None:
            return self._invitation(invitation, AcceptForm(results=_results_to_join_with(request, invitation)))
        if not _takes_part(invitation, owned):
            raise InvitationTaken
        page = ComparisonPage.of(invitation, viewer=owned)
        return render(request, "classification/comparison.html", {"page": page})

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Join, with one of this browser's results."""
        invitation = comparisons.invitation_by_token(token)
        form = AcceptForm(request.POST, results=_results_to_join_with(request, invitation))
        if not form.is_valid():
            if invitation.guest_id is not None:
                return redirect("comparison", token)
            return self._invitation(invitation, form, status=HTTPStatus.BAD_REQUEST)
        guest = Participant(form.chosen, form.cleaned_data["nickname"], form.cleaned_data["shows_photo"])
        return redirect("comparison", comparisons.invitation_accept(token=token, guest=guest).token)

    def _invitation(self, invitation: Comparison, form: AcceptForm, *, status: int = HTTPStatus.OK) -> HttpResponse:
        is_host = invitation.host_id in owned_ids(self.request)
        context = {
            "invitation": invitation,
            "form": form,
            "url": self.request.build_absolute_uri(reverse("comparison", args=[invitation.token])),
        }
        name = "invitation_sent" if is_host else "invitation"
        return render(self.request, f"classification/{name}.html", context, status=status)


class ComparisonEndView(LinkedView):
    """Withdrawing the invitation, or leaving the comparison."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:  # noqa: ARG002
        """Whoever reloads the address of an attempt lands where they can go on."""
        return redirect("comparison", token)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        comparison = comparisons.invitation_by_token(token)
        if not _takes_part(comparison, owned_ids(request)):
            raise ComparisonNotFound
        comparisons.comparison_end(comparison)
        return redirect("comparison-ended")


class ComparisonEndedView(TemplateView):
    template_name = "classification/comparison_ended.html"


class PhotoChoiceView(LinkedView):
    """Showing one's stored photo to the other one, or hiding it again."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:  # noqa: ARG002
        return redirect("comparison", token)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        comparison = comparisons.invitation_by_token(token)
        mine = comparisons.participants_of(comparison).get(request.POST.get("side", ""))
        if mine is None or mine.classification.pk not in owned_ids(request):
            raise ComparisonNotFound
        comparisons.photo_set(
            comparison=comparison,
            classification_id=mine.classification.pk,
            is_shown=bool(request.POST.get("is_shown")),
        )
        return redirect("comparison", token)


class ComparisonPhotoView(LinkedView):
    """The photo that one side shows, for those two alone."""

    def get(self, request: HttpRequest, token: str, side: str) -> HttpResponse:
        comparison = comparisons.comparison_by_token(token)
        shown = comparisons.participants_of(comparison).get(side)
        if shown is None or not shown.photo_is_shown or not _takes_part(comparison, owned_ids(request)):
            raise ComparisonNotFound
        return HttpResponse(photos.photo_read(shown.classification.photo_key), content_type="image/jpeg")


def _takes_part(comparison: Comparison, owned: Collection[UUID]) -> bool:
    return comparison.host_id in owned or comparison.guest_id in owned


def _results_to_join_with(request: HttpRequest, invitation: Comparison) -> list[Classification]:
    """This browser's, newest first; the host may compare with another one, of a friend who used the same phone."""
    others = [each for each in owned_ids(request) if each != invitation.host_id]
    return selectors.classifications_alive(others) if others else []


def _nickname_of_other(comparison: Comparison, classification_id: UUID) -> str:
    return comparison.guest_nickname if comparison.host_id == classification_id else comparison.host_nickname
