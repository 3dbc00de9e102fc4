using AiFabric.Engine.Tokenization;
using LearnedTurn = AiFabric.Engine.Training.Data.ChatTurn;

namespace AiFabric.Worker.Backend;

/// <summary>Conversations of training data as the model's chat template writes them.</summary>
internal static class TrainingChats
{
    /// <summary>Messages, and whether to open the assistant's answer → text with control marks; the same on every day.</summary>
    /// <returns>Null where the model has no chat template.</returns>
    public static Func<IReadOnlyList<LearnedTurn>, bool, string>? RendererOf(TokenizerSettings settings)
    {
        if (settings.ChatTemplate is null)
            return null;
        // Read on first use: ServedModel has refused a bad template by then.
        var template = new Lazy<ChatTemplate>(() => ChatTemplate.Of(settings, new StandingClock())!); // It is not null, see above.
        return (turns, opens) => string.Concat(template.Value
            .Render([.. turns.Select(turn => new ChatTurn(turn.Role, turn.Content))], opens)
            .Select(segment => segment.Text));
    }

    // Templates such as those of Llama 3.2 and SmolLM3 write the day into every conversation: a job that goes on another day would no longer have the
    // data that its checkpoint was made of. The day is the one that Llama's templates write where there is no clock.
    private sealed class StandingClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2024, 7, 26, 0, 0, 0, TimeSpan.Zero);
    }
}
