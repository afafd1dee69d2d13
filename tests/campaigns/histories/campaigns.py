"""What is done to campaigns: begun, edited, stopped, gone on with."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from campaigns import actions
from templates_app.models import MessageTemplate
from tests.campaigns.histories import stories
from tests.campaigns.histories.base import Base, happening, said_of
from tests.campaigns.reference import verbs
from tests.campaigns.reference import world as plain
from tests.campaigns.reference.world import Rules, Step

MOST_CAMPAIGNS = 3


class CampaignHistories(Base):
    @precondition(lambda self: len(self.world.campaigns) < MOST_CAMPAIGNS)
    @happening(campaign=stories.campaigns)
    def create_campaign(self, campaign: dict[str, Any]) -> None:
        if self.speaks_of_inactive(campaign["steps"]):
            return
        trigger, condition = campaign["trigger"]
        row = actions.create_campaign(
            broker=self.broker,
            now=self.now,
            name="One",
            channel="telegram",
            triggered_by=trigger,
            trigger_condition=condition,
            exit_on_reply=campaign["rules"].exit_on_reply,
            goal_stage=campaign["rules"].goal,
            max_contacts=campaign["max_contacts"],
            reentry_after_days=campaign["reentry_days"],
            holdout_percent=campaign["holdout"],
            priority=campaign["priority"],
        )
        actions.save_steps(campaign=row, specs=self.specs(campaign["steps"]), now=self.now)
        actions.activate(campaign=row, now=self.now)
        settings = campaign | {"trigger": trigger, "condition": condition}
        verbs.start(self.world, plain.Campaign(id=row.pk, collects_from=self.now, **settings))

    def speaks_of_inactive(self, steps: tuple[Step, ...]) -> bool:
        return any((channel, step.text) in self.world.inactive for step in steps for channel in step.ways())

    def specs(self, steps: tuple[Step, ...]) -> list[dict[str, Any]]:
        return [
            {
                "action": step.action,
                "delay_hours": str(step.hours),
                "conditions": dict(step.conditions),
                "message_template": self.stage.templates.get((step.channel, step.text)),
                "target_stage": step.target,
                "channel": step.channel or None,
                "fallback_channel": step.fallback or None,
                "fallback_template": self.stage.templates.get((step.fallback, step.text)),
            }
            for step in steps
        ]

    @happening(number=stories.numbers, steps=stories.steps)
    def edit_steps(self, number: int, steps: tuple[Step, ...]) -> None:
        row, campaign = self.campaign(number)
        if not self.speaks_of_inactive(steps):
            actions.save_steps(campaign=row, specs=self.specs(steps), now=self.now)
            verbs.save_version(campaign, steps=steps)

    @happening(number=stories.numbers, rules=stories.rules)
    def edit_settings(self, number: int, rules: Rules) -> None:
        row, campaign = self.campaign(number)
        if not self.speaks_of_inactive(campaign.steps) and rules != campaign.rules:
            changes = {"exit_on_reply": rules.exit_on_reply, "goal_stage": rules.goal}
            actions.edit_campaign(campaign=row, now=self.now, **changes)
            verbs.save_version(campaign, rules=rules)

    @happening(number=stories.numbers, version=stories.numbers)
    def move_entries(self, number: int, version: int) -> None:
        row, campaign = self.campaign(number)
        to = version % campaign.version + 1
        actions.move_enrollments(campaign=row, to=to, now=self.now)
        verbs.move_entries(self.world, campaign, to)

    @happening(number=stories.numbers)
    def pause(self, number: int) -> None:
        row, campaign = self.campaign(number)
        assert said_of(actions.pause, campaign=row, now=self.now) == verbs.pause(self.world, campaign)

    @happening(number=stories.numbers, policy=stories.one_of("shift", "send", "skip"), collect=st.booleans())
    def resume(self, number: int, policy: str, collect: bool) -> None:
        row, campaign = self.campaign(number)
        said = said_of(actions.resume, campaign=row, now=self.now, policy=policy, collect=collect)
        assert said == verbs.resume(self.world, campaign, policy, collect=collect)

    @happening(number=stories.numbers)
    def complete(self, number: int) -> None:
        row, campaign = self.campaign(number)
        assert said_of(actions.complete, campaign=row, now=self.now) == verbs.complete(self.world, campaign)

    @happening(which=stories.one_of("stop_sending", "go_on_sending", "go_on_sending"))
    def stop_brokerage(self, which: str) -> None:
        getattr(actions, which)(broker=self.broker, now=self.now)
        getattr(verbs, which)(self.world)

    @happening(which=stories.one_of("stop_platform", "go_on_platform", "go_on_platform"))
    def stop_platform(self, which: str) -> None:
        getattr(actions, which)(now=self.now)
        getattr(verbs, which)(self.world)

    @happening(
        whom=stories.one_of("campaign", "sending", "platform"),
        number=stories.numbers,
        lead=stories.leads,
        passes=stories.passes,
        policy=stories.one_of("shift", "shift", "send", "skip"),
        waits=st.none() | stories.waits,
    )
    def stand_still(
        self,
        whom: str,
        number: int,
        lead: dict[str, Any],
        passes: tuple[int, int],
        policy: str,
        waits: tuple[int | None] | None,
    ) -> None:
        """And go on after some time, in which a lead may enter, or a worker that had begun may answer."""
        if waits:
            self.begin_batch(then=None, minutes=waits[0], is_committed=True)
        self.pass_time(1)
        self.stop(whom, number)
        self.create_lead_who_enters(then=None, lead=lead, number=number + 1)
        self.pass_time(1)
        if waits and self.held:
            self.answer(then=None, number=-1, word="accept")
        self.work(passes=passes)
        self.go_on(whom, number, policy)

    def stop(self, whom: str, number: int) -> None:
        if whom == "campaign":
            self.pause(then=None, number=number)
        else:
            (self.stop_platform if whom == "platform" else self.stop_brokerage)(then=None, which=f"stop_{whom}")

    def go_on(self, whom: str, number: int, policy: str) -> None:
        if whom == "campaign":
            self.resume(then=None, number=number, policy=policy, collect=policy != "skip")
        else:
            (self.stop_platform if whom == "platform" else self.stop_brokerage)(then=None, which=f"go_on_{whom}")

    @happening(channel=st.sampled_from(stories.CHANNELS), text=stories.one_of("plain", "area"), is_active=st.booleans())
    def switch_template(self, channel: str, text: str, is_active: bool) -> None:
        MessageTemplate.objects.filter(pk=self.stage.templates[channel, text].pk).update(is_active=is_active)
        (self.world.inactive.discard if is_active else self.world.inactive.add)((channel, text))
