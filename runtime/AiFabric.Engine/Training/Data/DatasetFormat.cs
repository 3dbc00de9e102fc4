namespace AiFabric.Engine.Training.Data;

/// <summary>What a file of training data holds: JSON lines, but for <see cref="PlainText"/>.</summary>
public enum DatasetFormat
{
    /// <summary>A <c>text</c> field; the loss is on every token.</summary>
    Text,

    /// <summary><c>prompt</c> and <c>completion</c>; the loss is on the completion.</summary>
    PromptCompletion,

    /// <summary>OpenAI <c>messages</c>; the loss is on the assistant's messages, but for those whose <c>weight</c> is 0.</summary>
    Chat,

    /// <summary>Text as it is, such as a book, cut into sequences of full length; the loss is on every token.</summary>
    PlainText,

    /// <summary>
    /// Pairs of answers to one prompt: <c>prompt</c>, <c>chosen</c> and <c>rejected</c>, or OpenAI's <c>input</c>, <c>preferred_output</c> and
    /// <c>non_preferred_output</c>; log probabilities are those of the answers.
    /// </summary>
    Preference,
}

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">Plain text.</param>
/// <param name="IsLearned">Whether the model shall learn to write it, if the assistant did.</param>
public sealed record ChatTurn(string Role, string Content, bool IsLearned = true);

/// <summary>Text in a sample, and whether the model shall learn to write it.</summary>
/// <param name="Text">The text; control marks are parsed only in chat templates.</param>
/// <param name="Learned">Whether its tokens count in the loss.</param>
/// <param name="ParseMarks">Whether spelled control marks mean the mark.</param>
internal readonly record struct TextSegment(string Text, bool Learned, bool ParseMarks);
