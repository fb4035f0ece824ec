/** Stands for what an application sends templates with. */
export async function sendTemplate(phone: string, template: string): Promise<string> {
  return `wamid.${template}.${phone}`;
}

/** The same, in the form of the integration guide. */
export async function sendWhatsAppTemplate(template: any): Promise<any> {
  const { to, templateName, components } = template;
  const texts = components[0].parameters.map(({ text }: { text: string }) => text);
  return { messages: [{ id: ['wamid', templateName, to, ...texts].join('.') }] };
}
