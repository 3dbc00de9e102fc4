namespace AiFabric.Engine.Training.Data;

/// <summary>What a line of a JSON lines file holds.</summary>
public enum DatasetFormat
{
    /// <summary>A <c>text</c> field; the loss is on every token.</summary>
    Text,

    /// <summary><c>prompt</c> and <c>completion</c>; the loss is on the completion.</summary>
    PromptCompletion,

    /// <summary>OpenAI <c>messages</c>; the loss is on the assistant's messages.</summary>
    Chat,
}

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">Plain text.</param>
public sealed record ChatTurn(string Role, string Content);

/// <summary>Text in a sample, and whether the model shall learn to write it.</summary>
/// <param name="Text">The text; control marks are parsed only in chat templates.</param>
/// <param name="Learned">Whether its tokens count in the loss.</param>
/// <param name="ParseMarks">Whether spelled control marks mean the mark.</param>
internal readonly record struct TextSegment(string Text, bool Learned, bool ParseMarks);
